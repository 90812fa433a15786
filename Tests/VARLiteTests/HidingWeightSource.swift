import VARModels
import VQ4Format

/// A model's weights without some tensors, with NaN in their place, or with tensors in groups of their own.
final class HidingWeightSource: WeightSource, TensorDirectory, @unchecked Sendable {
  private let file: VQ4File
  private let source: WeightStore
  private let hidden: [String]
  private let spoiled: [String]
  private let moved: [String]
  private let spoiledBytes: UnsafeMutableRawBufferPointer

  /// - Parameters:
  ///   - hidden: starts of the names of tensors that the file seems to lack.
  ///   - spoiled: starts of the names of tensors whose bytes are all 0xFF.
  ///   - moved: starts of the names of tensors that seem to lie in the file's first group.
  init(
    file: VQ4File, tensors: [TensorSpecification], hiding hidden: [String] = [],
    spoiling spoiled: [String] = [],
    moving moved: [String] = []
  ) {
    self.file = file
    source = WeightStore(WeightBlocks(file, tensors: tensors), .map, threadCount: 1)
    self.hidden = hidden
    self.spoiled = spoiled
    self.moved = moved
    let largest = file.tensors.map(\.description.byteCount).max() ?? 0
    spoiledBytes = .allocate(byteCount: largest, alignment: 64)
    spoiledBytes.initializeMemory(as: UInt8.self, repeating: 0xFF)
  }

  deinit { spoiledBytes.deallocate() }

  var directory: any TensorDirectory { self }
  var tensorCount: Int { file.tensorCount }
  func tensorIndex(named name: String) -> Int? {
    hidden.contains { name.hasPrefix($0) } ? nil : file.tensorIndex(named: name)
  }
  func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    file.description(ofTensor: tensor)
  }
  func group(ofTensor tensor: Int) -> Int {
    let name = file.tensors[tensor].name
    return moved.contains { name.hasPrefix($0) } ? 0 : file.group(ofTensor: tensor)
  }
  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    try source.acquire(part, isCancelled: isCancelled)
  }
  func release(_ part: WeightPart) { source.release(part) }
  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    let name = file.tensors[tensor].name
    return spoiled.contains { name.hasPrefix($0) }
      ? UnsafeRawPointer(spoiledBytes.baseAddress!) : source.stream(tensor, role, slab: slab)
  }
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    let name = file.tensors[tensor].name
    guard spoiled.contains(where: { name.hasPrefix($0) }) else {
      return try source.read(unit: unit, of: tensor, role, into: output)
    }
    output.initializeMemory(as: UInt8.self, repeating: 0xFF)
  }
}
