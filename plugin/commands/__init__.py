"""What the commands do: each reads through the same use cases as the screens, and says it in lines."""
