import VARModels
import VQ4Format

/// A model's weights without some tensors, with NaN in their place, or with tensors in groups of their own.
final class HidingWeightSource: WeightSource, @unchecked Sendable {
  private let source: MappedWeightSource
  private let hidden: [String]
  private let spoiled: [String]
  private let moved: [String]
  private let spoiledBytes: UnsafeMutableRawBufferPointer

  /// - Parameters:
  ///   - hidden: starts of the names of tensors that the file seems to lack.
  ///   - spoiled: starts of the names of tensors whose bytes are all 0xFF.
  ///   - moved: starts of the names of tensors that seem to lie in the file's first group.
  init(
    file: VQ4File, hiding hidden: [String] = [], spoiling spoiled: [String] = [],
    moving moved: [String] = []
  ) {
    source = MappedWeightSource(file: file)
    self.hidden = hidden
    self.spoiled = spoiled
    self.moved = moved
    let largest = file.tensors.map(\.description.byteCount).max() ?? 0
    spoiledBytes = .allocate(byteCount: largest, alignment: 64)
    spoiledBytes.initializeMemory(as: UInt8.self, repeating: 0xFF)
  }

  deinit { spoiledBytes.deallocate() }

  var tensorCount: Int { source.tensorCount }
  func tensorIndex(named name: String) -> Int? {
    hidden.contains { name.hasPrefix($0) } ? nil : source.tensorIndex(named: name)
  }
  func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    source.description(ofTensor: tensor)
  }
  func group(ofTensor tensor: Int) -> Int {
    let name = source.file.tensors[tensor].name
    return moved.contains { name.hasPrefix($0) } ? 0 : source.group(ofTensor: tensor)
  }
  func acquire(_ group: Int) throws(ModelError) { try source.acquire(group) }
  func release(_ group: Int) { source.release(group) }
  func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    let name = source.file.tensors[tensor].name
    return spoiled.contains { name.hasPrefix($0) }
      ? UnsafeRawPointer(spoiledBytes.baseAddress!) : source.stream(tensor, role)
  }
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    let name = source.file.tensors[tensor].name
    guard spoiled.contains(where: { name.hasPrefix($0) }) else {
      return try source.read(unit: unit, of: tensor, role, into: output)
    }
    output.initializeMemory(as: UInt8.self, repeating: 0xFF)
  }
}
