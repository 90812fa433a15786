import VQ4Format

/// Tells prompts apart: a hash of tokens and of pictures as the model sees them.
struct PromptHash {
  private var parts: [VQ4Hash] = []

  mutating func add(_ ids: [Int32]) { ids.withUnsafeBytes { parts.append(VQ4Hash(of: $0)) } }

  mutating func add(_ values: [Float]) { values.withUnsafeBytes { parts.append(VQ4Hash(of: $0)) } }

  /// 32 hexadecimal digits.
  var text: String {
    let words = parts.flatMap { [$0.high.littleEndian, $0.low.littleEndian] }
    return words.withUnsafeBytes { "\(VQ4Hash(of: $0))" }
  }
}
