"""The paper's figures, test images for them, and the plots of a report."""
