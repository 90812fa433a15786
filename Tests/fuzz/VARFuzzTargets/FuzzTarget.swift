import VARTestSupport

/// A file of an input, as a user would have it.
package struct FuzzFile: Sendable, Equatable {
  package let name: String
  package let bytes: [UInt8]

  init(_ name: String, _ bytes: some Sequence<UInt8>) {
    self.name = name
    self.bytes = Array(bytes)
  }
}

/// Changes bytes at random; the result has at most `capacity`.
package typealias ByteMutation = (_ bytes: [UInt8], _ capacity: Int) -> [UInt8]

/// How an input becomes another one.
package struct FuzzChange {
  /// Of the whole input.
  package let capacity: Int
  package var random: SplitMix64
  /// What libFuzzer does to bytes that mean nothing to it.
  package let mutate: ByteMutation

  package init(capacity: Int, seed: UInt64, mutate: @escaping ByteMutation) {
    self.capacity = capacity
    random = SplitMix64(seed: seed)
    self.mutate = mutate
  }

  /// True once in `count` times.
  mutating func happens(onceIn count: UInt64) -> Bool { random.next() % count == 0 }

  mutating func index(below count: Int) -> Int { Int(random.next() % UInt64(count)) }

  /// The bytes changed, with as many as before.
  func inPlace(_ bytes: [UInt8]) -> [UInt8] {
    guard !bytes.isEmpty else { return bytes }
    let changed = mutate(bytes, bytes.count)
    return changed + bytes[min(changed.count, bytes.count)...]
  }
}

/// A reader of files for which nobody vouches: whatever the bytes are, it gives a value or throws.
package struct FuzzTarget: Sendable {
  /// The name of its folders of inputs.
  package let name: String
  /// What an input is on a disk.
  package let files: @Sendable (_ input: [UInt8]) -> [FuzzFile]
  /// Reads an input to its end.
  package let read: @Sendable (_ input: [UInt8]) throws -> Void
  /// Makes another input whose sums and sizes agree, so that it is not refused at the first of them.
  package let change: @Sendable (_ input: [UInt8], _ change: inout FuzzChange) -> [UInt8]

  init(
    _ name: String,
    files: @escaping @Sendable ([UInt8]) -> [FuzzFile],
    read: @escaping @Sendable ([UInt8]) throws -> Void,
    change: @escaping @Sendable ([UInt8], inout FuzzChange) -> [UInt8] = {
      $1.mutate($0, $1.capacity)
    }
  ) {
    self.name = name
    self.files = files
    self.read = read
    self.change = change
  }

  /// Reads an input; nil where it is accepted, else the message.
  @discardableResult
  package func run(_ input: [UInt8]) -> String? {
    do {
      try read(input)
      return nil
    } catch {
      return "\(error)"
    }
  }

  package static let all = [
    vq4, canaries, previewMap, tokenizerTables, drawingState, promptCache, promptList, reference,
    safetensors, checkpoint, zip, pickle, adapter, json, tokenizer, recipe, evaluation, png, jpeg,
    webp, pictureTexts, requestBody, jobState,
  ]

  package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}
