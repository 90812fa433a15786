import VQ4Format

/// Tells prompts apart: a hash of tokens and of pictures as the model sees them.
struct PromptHash {
  private var parts: [VQ4Hash] = []

  /// - Returns: hash of the elements alone.
  @discardableResult
  mutating func add<Element: BitwiseCopyable>(_ elements: [Element]) -> VQ4Hash {
    let hash = elements.withUnsafeBytes { VQ4Hash(of: $0) }
    parts.append(hash)
    return hash
  }

  var value: VQ4Hash {
    let words = parts.flatMap { [$0.high.littleEndian, $0.low.littleEndian] }
    return words.withUnsafeBytes { VQ4Hash(of: $0) }
  }

  /// 32 hexadecimal digits.
  var text: String { "\(value)" }
}
