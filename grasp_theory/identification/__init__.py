"""What the weights of a fine-tune show: components, floor, agreement, verdict, and two runs side by side."""
