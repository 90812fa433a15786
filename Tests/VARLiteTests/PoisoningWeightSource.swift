import VARModels
import VQ4Format

/// Decodes a group into a buffer when it is acquired and fills the buffer with 0xFF when it is released: a read outside
/// the group gives NaN.
final class PoisoningWeightSource: WeightSource, @unchecked Sendable {
  private let file: VQ4File
  private var buffers: [Int: UnsafeMutableRawBufferPointer] = [:]
  private var offsets: [Int: Int] = [:]
  private var users: [Int: Int] = [:]

  init(file: VQ4File) {
    self.file = file
    for (index, group) in file.groups.enumerated() {
      var size = 0
      for tensor in group.tensors {
        for role in VQ4StreamRole.allCases {
          offsets[key(tensor, role)] = size
          size += (file.tensors[tensor].description.byteCount(of: role) + 63) / 64 * 64
        }
      }
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 64), alignment: 64)
      buffer.initializeMemory(as: UInt8.self, repeating: 0xFF)
      buffers[index] = buffer
    }
  }

  deinit { for buffer in buffers.values { buffer.deallocate() } }

  private func key(_ tensor: Int, _ role: VQ4StreamRole) -> Int { tensor * 8 + Int(role.rawValue) }

  var directory: any TensorDirectory { file }

  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    try acquire(part.group(in: file))
  }
  func release(_ part: WeightPart) { release(part.group(in: file)) }

  private func acquire(_ group: Int) throws(ModelError) {
    users[group, default: 0] += 1
    guard users[group] == 1 else { return }
    for tensor in file.groups[group].tensors {
      for role in VQ4StreamRole.allCases {
        let count = file.tensors[tensor].description.byteCount(of: role)
        guard count > 0 else { continue }
        let start = offsets[key(tensor, role)]!
        let target = UnsafeMutableRawBufferPointer(
          rebasing: buffers[group]![start..<start + count])
        do throws(VQ4Error) {
          try file.decodeStream(tensor, role, into: target)
        } catch {
          throw ModelError(.unreadableWeights, "\(error)")
        }
      }
    }
  }

  private func release(_ group: Int) {
    users[group]! -= 1
    guard users[group] == 0 else { return }
    buffers[group]!.initializeMemory(as: UInt8.self, repeating: 0xFF)
  }

  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    UnsafeRawPointer(
      buffers[file.group(ofTensor: tensor)]!.baseAddress! + offsets[key(tensor, role)]!)
  }
}
