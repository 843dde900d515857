"""What several statements use: random instances, maps of the linear model, nets, spiked matrices."""
