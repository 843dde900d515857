"""What a fine-tune has done: what a direction means, whether the linear theory speaks, what an edit changed."""
