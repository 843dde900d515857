"""What a model has learnt: contrastive pairs, an offline judge, answers for a judge of your own."""
