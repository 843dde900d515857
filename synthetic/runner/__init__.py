"""Long work: cells measured once each, in worker processes, into files that an interrupt leaves whole."""
