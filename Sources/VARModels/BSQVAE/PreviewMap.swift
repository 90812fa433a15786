import VARKernels
import VARSystem

/// What the codes of a token look like, roughly: a colour that is linear in them and in those of the tokens around it.
///
/// A picture of a pixel for each token takes no network: it is what a drawing is watched by. The map is fitted to the
/// picture decoder when a model is converted, and stands in its file (`formats/attachments.md`, section 7).
package struct PreviewMap: Sendable, Equatable {
  /// What the attachment is called that holds it.
  package static let attachmentName = "preview_map"

  package let codebookDim: Int
  /// `[3, 9 * codebookDim + 1]`: what each code of the 3 x 3 tokens around adds to red, green and blue, row by row, and
  /// behind these a constant. Colours are within -1...1.
  let weights: [Float]

  /// Tokens that a colour depends on.
  static let neighbourCount = 9

  /// Weights of a colour, the constant included.
  static func weightCount(codebookDim: Int) -> Int { neighbourCount * codebookDim + 1 }

  /// The largest magnitude of a weight.
  static let largestWeight: Float = 65_536

  /// - Returns: nil unless the weights are as many as they have to be, and none is too large or no number.
  init?(codebookDim: Int, weights: [Float]) {
    guard weights.count == 3 * Self.weightCount(codebookDim: codebookDim),
      weights.allSatisfy({ $0.magnitude <= Self.largestWeight })
    else { return nil }
    self.codebookDim = codebookDim
    self.weights = weights
  }

  /// Colours of tokens, three bytes each.
  ///
  /// - Parameter codes: summed codes of a drawing, a row for each token of the grid.
  package func colours(of codes: Rows, grid: GridSize) -> [UInt8] {
    precondition(codes.columns == codebookDim && codes.count == grid.tokenCount, "of this model")
    let count = Self.weightCount(codebookDim: codebookDim)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(codes.count * 3)
    weights.withUnsafeBufferPointer { weights in
      for token in 0..<codes.count {
        let neighbours = grid.neighbours(of: token)
        for channel in 0..<3 {
          var index = channel * count
          var value = weights[index + count - 1]
          for neighbour in neighbours {
            let code = codes[neighbour]
            for bit in 0..<codebookDim { value += weights[index + bit] * code[bit] }
            index += codebookDim
          }
          // What is no number is as dark as can be.
          let colour = value > -1 ? min(value, 1) : -1
          bytes.append(UInt8((colour + 1) / 2 * 255))
        }
      }
    }
    return bytes
  }
}

extension GridSize {
  /// The 3 x 3 tokens around a token, row by row; in the place of those beyond an edge, the nearest within it.
  func neighbours(of token: Int) -> [Int] {
    let (y, x) = (token / width, token % width)
    return (-1...1).flatMap { down in
      (-1...1).map { across in
        min(max(y + down, 0), height - 1) * width + min(max(x + across, 0), width - 1)
      }
    }
  }
}

// MARK: Bytes

extension PreviewMap {
  private static let version: UInt32 = 1
  private static let headerByteCount = 8
  /// Bits of a token at most (`vargpt_gen.vae.codebook_dim`).
  private static let mostBits = 256

  /// As the attachment has it.
  package var bytes: [UInt8] {
    let words = [Self.version, UInt32(codebookDim)] + weights.map(\.bitPattern)
    return words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
  }

  /// Reads an attachment.
  ///
  /// - Throws: `ConfigurationError` that says what is wrong.
  package init(bytes: [UInt8]) throws(ConfigurationError) {
    func fault(_ detail: String) -> ConfigurationError {
      ConfigurationError(code: .malformed, key: Self.attachmentName, detail: detail)
    }
    func word(_ index: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[index * 4 + $1]) << ($1 * 8) }
    }
    guard bytes.count >= Self.headerByteCount else { throw fault("has \(bytes.count) bytes") }
    let (version, dim) = (word(0), Int(word(1)))
    guard version == Self.version else { throw fault("has version \(version), known is 1") }
    guard (1...Self.mostBits).contains(dim) else { throw fault("is for \(dim) codes") }
    let count = 3 * Self.weightCount(codebookDim: dim)
    guard bytes.count == Self.headerByteCount + count * 4 else {
      throw fault("has \(bytes.count) bytes, \(Self.headerByteCount + count * 4) are expected")
    }
    let weights = (0..<count).map { Float(bitPattern: word(2 + $0)) }
    guard let map = PreviewMap(codebookDim: dim, weights: weights) else {
      throw fault("has a weight that is too large or no number")
    }
    self = map
  }
}
