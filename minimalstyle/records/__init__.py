"""What is kept of a run: the recipe in its picture, and the checkpoint it goes on from."""
