"""One parser per helpdesk that sends events, found by its name. No I/O, none from another."""
