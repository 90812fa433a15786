import VARVision
import VQ4Format

/// Tells prompts apart: a hash of tokens and of pictures as the model sees them.
struct PromptHash {
  private var parts: [VQ4Hash] = []
  /// Hashes of the pictures as the model sees them, extents included: 32 hexadecimal digits each.
  private(set) var pictures: [String] = []

  /// - Returns: hash of the elements alone.
  @discardableResult
  mutating func add<Element: BitwiseCopyable>(_ elements: [Element]) -> VQ4Hash {
    let hash = elements.withUnsafeBytes { VQ4Hash(of: $0) }
    parts.append(hash)
    return hash
  }

  /// Adds a picture by the values of its patches.
  ///
  /// - Returns: hash of the values alone.
  @discardableResult
  mutating func add(_ picture: ImagePatches) -> VQ4Hash {
    let values = add(picture.values)
    let words = [
      UInt64(picture.gridHeight).littleEndian, UInt64(picture.gridWidth).littleEndian,
      values.high.littleEndian, values.low.littleEndian,
    ]
    pictures.append(words.withUnsafeBytes { "\(VQ4Hash(of: $0))" })
    return values
  }

  var value: VQ4Hash {
    let words = parts.flatMap { [$0.high.littleEndian, $0.low.littleEndian] }
    return words.withUnsafeBytes { VQ4Hash(of: $0) }
  }

  /// 32 hexadecimal digits.
  var text: String { "\(value)" }
}
