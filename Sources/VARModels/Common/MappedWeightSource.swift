import Synchronization
import VARKernels
import VQ4Format

/// Weights used in place from the mapped file; compressed streams are decoded once, when their group is first needed,
/// and stay in memory. What the page cache lacks of the next group is read while a group is in use.
///
/// One source serves any number of requests at once.
package final class MappedWeightSource: WeightSource, @unchecked Sendable {
  package let file: VQ4File
  /// Decoded streams by tensor and role, written once under the lock and never changed after.
  private let decoded: UnsafeMutableBufferPointer<AnonymousMemory?>
  private let finishedGroups = Mutex<Set<Int>>([])
  private let readAhead: ReadAhead

  package init(file: VQ4File) {
    self.file = file
    readAhead = ReadAhead(file)
    decoded = .allocate(capacity: file.tensors.count * VQ4StreamRole.allCases.count)
    decoded.initialize(repeating: nil)
  }

  deinit {
    decoded.deinitialize()
    decoded.deallocate()
  }

  package var tensorCount: Int { file.tensors.count }
  package func tensorIndex(named name: String) -> Int? { file.tensorIndex(named: name) }
  package func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    file.tensors[tensor].description
  }
  package func group(ofTensor tensor: Int) -> Int { file.tensors[tensor].group }

  package func acquire(_ group: Int) throws(ModelError) {
    let failure = finishedGroups.withLock { finished -> ModelError? in
      readAhead.reached(group)
      guard !finished.contains(group) else { return nil }
      do throws(ModelError) {
        for tensor in file.groups[group].tensors { try decodeCompressedStreams(tensor) }
        finished.insert(group)
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
  }

  package func release(_ group: Int) {}

  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    if let raw = file.rawStream(tensor, role)?.baseAddress { return raw }
    guard let memory = decoded[slot(tensor, role)] else {
      preconditionFailure("\(file.tensors[tensor].name) is read outside its group")
    }
    return UnsafeRawPointer(memory.base)
  }

  private func slot(_ tensor: Int, _ role: VQ4StreamRole) -> Int {
    tensor * VQ4StreamRole.allCases.count + Int(role.rawValue)
  }

  private func decodeCompressedStreams(_ tensor: Int) throws(ModelError) {
    for role in VQ4StreamRole.allCases {
      let byteCount = file.tensors[tensor].description.byteCount(of: role)
      guard byteCount > 0, file.rawStream(tensor, role) == nil, decoded[slot(tensor, role)] == nil
      else { continue }
      guard let memory = AnonymousMemory(byteCount: byteCount) else {
        throw ModelError(
          .outOfMemory,
          "no memory for the \(byteCount) bytes of tensor \"\(file.tensors[tensor].name)\"")
      }
      do throws(VQ4Error) {
        try file.decodeStream(
          tensor, role, into: UnsafeMutableRawBufferPointer(start: memory.base, count: byteCount))
      } catch {
        throw ModelError(.unreadableWeights, "\(error)")
      }
      decoded[slot(tensor, role)] = memory
    }
  }
}
