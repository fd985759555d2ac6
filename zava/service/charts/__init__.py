"""What a chart shows, and how: from columns and rows to Vega-Lite."""
