"""What the commands do, over the same use cases as the screens, said in lines."""
