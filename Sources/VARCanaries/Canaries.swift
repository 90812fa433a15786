import VQ4Format

/// A small case, what each layer of a model makes of it in full precision, and digests of what the model's own layers
/// make of it: by them a machine that has no checkpoint tells a good file and good kernels from others.
///
///     words, a picture, bits --> layer 0 --> layer 1 --> ... --> layer n --> logits
///                                   |           |                  |
///                                 kept        kept               kept
///
/// Kept is what the checkpoint's weights give, rounded to f16.
/// What goes into a layer is what was kept of the one before, so that the check of each layer stands by itself. A layer
/// that adds to its input is kept as what it adds.
package struct Canaries: Sendable, Equatable {
  /// What a layer made of its input.
  package struct Output: Sendable, Equatable {
    /// Name of the layer's group, and the scale for the generator's head.
    package let name: String
    /// In full precision; what is added, where the layer adds to its input.
    package let values: StoredRows
    /// Hash of what the model's own layer gives, of all bits of its f32 values.
    package var digest = VQ4Hash(high: 0, low: 0)
    /// How far that is from `values`: root of the sum of squared errors by that of squared values.
    package var error: Float = 0
  }

  /// Name of the attachment.
  package static let attachmentName = "canaries"

  /// The program that took them.
  package let converter: String
  /// Words, among them a picture to look at and, last, the start of the picture that is drawn.
  let ids: [Int32]
  /// Patches of the picture that is looked at.
  let patches: StoredRows
  /// Rows of pixels of the picture that is drawn, three values for each pixel.
  let pixels: StoredRows
  /// Bits of each scale of the picture that is drawn.
  let bits: [[UInt8]]
  /// A hash of each tensor of the file: of what it is and of its streams' hashes.
  let tensorHashes: [UInt64]
  /// In the order of a run.
  package internal(set) var outputs: [Output]
}

extension VQ4File {
  /// What `Canaries.tensorHashes` holds.
  package var tensorHashes: [UInt64] { tensors.indices.map { tensorHash($0).low } }
}
