"""Tables of images (CSV and TSV): labels, boxes, landmarks, masks, one column or several."""
