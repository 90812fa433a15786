import VQ4Format

/// Where forward passes take their weights from.
///
/// Streams of a tensor may be read only between `acquire` and `release` of its group, so that a source is free to keep
/// weights mapped, loaded, or streamed through a small buffer.
package protocol WeightSource: AnyObject {
  var tensorCount: Int { get }
  func tensorIndex(named name: String) -> Int?
  func description(ofTensor tensor: Int) -> VQ4TensorDescription
  func group(ofTensor tensor: Int) -> Int

  func acquire(_ group: Int) throws(ModelError)
  func release(_ group: Int)
  /// The decoded stream; its group must be acquired.
  func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer
}
