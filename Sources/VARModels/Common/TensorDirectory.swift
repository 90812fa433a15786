import VQ4Format

/// What tensors there are, without their content: enough to plan with.
package protocol TensorDirectory {
  var tensorCount: Int { get }
  func tensorIndex(named name: String) -> Int?
  func description(ofTensor tensor: Int) -> VQ4TensorDescription
  /// Number of the group that a tensor lies in.
  func group(ofTensor tensor: Int) -> Int
}

extension VQ4File: TensorDirectory {
  package var tensorCount: Int { tensors.count }
  package func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    tensors[tensor].description
  }
  package func group(ofTensor tensor: Int) -> Int { tensors[tensor].group }
}
