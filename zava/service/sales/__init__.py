"""How stores perform: periods, figures, comparisons, and what stands out."""
