extension String {
  /// Without blanks at either end.
  package var trimmed: String {
    let blanks = { (character: Character) in character.isWhitespace }
    let start = drop(while: blanks)
    return String(start.reversed().drop(while: blanks).reversed())
  }
}
