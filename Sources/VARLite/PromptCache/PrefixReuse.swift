/// What becomes of a prompt's beginning when it is read: how much is taken over, and what is kept of it for others.
struct PrefixReuse {
  /// Whose keys and values are taken over; nil: nobody's.
  var source: KeptPrefix?
  /// Tokens that are taken over.
  var count = 0
  /// Gets the keys, values and final hidden states of the prompt's first tokens.
  var kept: KeptPrefix?
}
