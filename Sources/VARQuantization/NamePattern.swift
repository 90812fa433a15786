/// A glob over dotted names: `*` stays within one part, `**` crosses parts.
struct NamePattern: Sendable, Equatable {
  let text: String
  private let pattern: [UInt8]

  init(_ text: String) {
    self.text = text
    pattern = Array(text.utf8)
  }

  func matches(_ name: String) -> Bool {
    let name = Array(name.utf8)
    // reached[i]: the pattern so far can end after the first i bytes of the name.
    var reached = [Bool](repeating: false, count: name.count + 1)
    reached[0] = true
    var position = 0
    while position < pattern.count {
      var next = [Bool](repeating: false, count: name.count + 1)
      if pattern[position] == UInt8(ascii: "*") {
        let crosses = position + 1 < pattern.count && pattern[position + 1] == UInt8(ascii: "*")
        var isOpen = false
        for index in 0...name.count {
          if index > 0, !crosses, name[index - 1] == UInt8(ascii: ".") { isOpen = false }
          isOpen = isOpen || reached[index]
          next[index] = isOpen
        }
        position += crosses ? 2 : 1
      } else {
        for index in 0..<name.count where reached[index] && name[index] == pattern[position] {
          next[index + 1] = true
        }
        position += 1
      }
      reached = next
    }
    return reached[name.count]
  }
}
