"""Where is it, who has it? All state, routing, scheduling and HTTP of the document exchange."""
