"""What a good photo is: the model, its reasons and tips, and how it is made."""
