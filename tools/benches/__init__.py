"""What `dynasplit bench` measures: one room per family of figures, each measured in processes of its own."""
