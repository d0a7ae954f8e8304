"""Text in the notation of the blackboard comes in; a syntax tree, and from it a graph, goes out."""
