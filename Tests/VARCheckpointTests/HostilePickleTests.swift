import Testing
import VARCheckpoint
import VARTestSupport

/// Pickles that ask for more than tensors: nothing runs, and the refusal names what was asked for and where.
@Suite struct HostilePickleTests {
  private func fault(_ pickle: [UInt8], storages: [[UInt8]] = []) -> CheckpointError? {
    let directory = TemporaryDirectory()
    directory.write("a.pth", TorchArchive.file(pickle: pickle, storages: storages))
    do {
      _ = try Checkpoint(path: directory.file("a.pth"))
      return nil
    } catch {
      return error
    }
  }

  private static func text(_ text: String) -> [UInt8] {
    [0x8C, UInt8(text.utf8.count)] + Array(text.utf8)
  }

  private static let system = Array("cos\nsystem\n".utf8)
  private static let command = text("touch /tmp/executed")

  @Test(
    arguments: [
      ("os.system", 2, [0x80, 2] + system + command + [0x85, 0x52, 0x2E]),
      (
        "posix.system", 17,
        [0x80, 4] + text("posix") + text("system") + [0x93] + command + [0x85, 0x52, 0x2E]
      ),
      ("builtins.eval", 2, [0x80, 2] + Array("cbuiltins\neval\n".utf8) + [0x2E]),
      ("torch.load", 2, [0x80, 2] + Array("ctorch\nload\n".utf8) + [0x2E]),
      ("torch._utils._rebuild_tensor_v3", 0, Array("ctorch._utils\n_rebuild_tensor_v3\n.".utf8)),
      ("opcode INST", 1, Array("(ios\nsystem\n.".utf8)),
      ("opcode OBJ", 1, Array("(o.".utf8)),
      ("opcode NEWOBJ", 1, Array(")".utf8) + [0x81, 0x2E]),
      ("opcode NEWOBJ_EX", 0, [0x92, 0x2E]),
      ("opcode EXT1", 0, [0x82, 1, 0x2E]),
      ("opcode EXT2", 0, [0x83, 1, 0, 0x2E]),
      ("opcode EXT4", 0, [0x84, 1, 0, 0, 0, 0x2E]),
      ("opcode PERSID", 0, Array("P1\n.".utf8)),
      ("opcode EMPTY_SET", 0, [0x8F, 0x2E]),
      ("opcode NEXT_BUFFER", 0, [0x97, 0x2E]),
      ("BUILD", 2, Array("]]b.".utf8)),
      ("REDUCE", 4, Array("K\u{1}K\u{2}R.".utf8)),
      ("a call of torch.FloatStorage", 21, Array("ctorch\nFloatStorage\n)R.".utf8)),
      (
        "OrderedDict with arguments", 28,
        Array("ccollections\nOrderedDict\nK\u{1}".utf8) + [0x85, 0x52]
      ),
    ] as [(String, Int, [UInt8])])
  func isRefusedWithItsPlace(what: String, offset: Int, pickle: [UInt8]) {
    let fault = fault(pickle)
    #expect(fault?.code == .refusedPickle)
    #expect(fault?.detail.contains(what) == true, "\(fault?.detail ?? "")")
    #expect(fault?.detail.hasPrefix("byte \(offset) of") == true, "\(fault?.detail ?? "")")
  }

  @Test func bombsCostLittle() {
    // A tuple of itself, 100,000 levels deep; doubled tuples; a list in itself; a long text's length.
    #expect(fault(Array(")".utf8) + [UInt8](repeating: 0x85, count: 100_000) + [0x2E]) != nil)
    let doubled = (0..<50_000).flatMap { _ in [0x32, 0x86] as [UInt8] }
    #expect(fault(Array(")".utf8) + doubled + [0x2E]) != nil)
    #expect(fault(Array("]q\u{0}h\u{0}a.".utf8)) != nil)
    #expect(
      fault([0x8D] + [UInt8](repeating: 0xFF, count: 7) + [0x7F, 0x2E])?.code == .malformedPickle)
    #expect(fault([0x58, 0xFF, 0xFF, 0xFF, 0xFF, 0x2E])?.code == .malformedPickle)
    #expect(fault([UInt8](repeating: 0x28, count: 3_000_000))?.code == .malformedPickle)
    #expect(fault([UInt8](repeating: 0x29, count: 3_000_000))?.code == .malformedPickle)
    let remembered =
      Array(")".utf8) + (0..<1_500_000).flatMap { [0x72] + TorchArchive.number($0, 4) }
    #expect(fault(remembered)?.code == .malformedPickle)
    #expect(fault([UInt8](repeating: 0x30, count: (16 << 20) + 1))?.code == .malformedPickle)
  }

  @Test func dictionariesThatShareDictionariesAreSearchedOnce() {
    // 300 keys, all of the dictionary before, five levels deep.
    var pickle: [UInt8] = [0x7D, 0x71, 0]
    for level in 1...5 as ClosedRange<UInt8> {
      pickle += [0x7D, 0x28]
      for key in 0..<300 { pickle += Self.text("k\(key)") + [0x68, level - 1] }
      pickle += [0x75, 0x71, level]
    }
    #expect(fault(pickle + [0x2E])?.code == .missingTensor)
  }

  /// A tensor of 4 floats, changed.
  private func tensor(
    _ storage: String = "FloatStorage", key: String = "0", count: Int = 4, offset: Int = 0,
    shape: [Int] = [4], strides: [Int] = [1]
  ) -> [UInt8] {
    func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + TorchArchive.number(value, 8) }
    func tuple(_ values: [Int]) -> [UInt8] { [0x28] + values.flatMap(integer) + [0x74] }
    var pickle = [0x7D] + Self.text("w") + Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8)
    pickle += Self.text("storage") + Array("ctorch\n\(storage)\n".utf8) + Self.text(key)
    pickle += Self.text("cpu") + integer(count) + Array("tQ".utf8) + integer(offset)
    pickle += tuple(shape) + tuple(strides) + [0x89, 0x4E]
    return pickle + Array("tRs.".utf8)
  }

  @Test func storagesAndViewsThatLieAreRefused() {
    let storage = [[UInt8](repeating: 0, count: 16)]
    #expect(fault(tensor(), storages: storage) == nil)
    #expect(fault(tensor(shape: [2, 2], strides: [2, 1]), storages: storage) == nil)
    #expect(fault(tensor(shape: [1, 4], strides: [77, 1]), storages: storage) == nil)
    #expect(fault(tensor(count: 5), storages: storage)?.code == .invalidOffsets)
    #expect(fault(tensor(count: 3, shape: [3]), storages: storage)?.code == .invalidOffsets)
    #expect(fault(tensor("HalfStorage"), storages: storage)?.code == .invalidOffsets)
    #expect(fault(tensor(count: 1 << 62), storages: storage)?.code == .invalidOffsets)
    #expect(fault(tensor(key: "1"), storages: storage)?.code == .missingTensor)
    #expect(fault(tensor(key: "../data.pkl"), storages: storage)?.code == .missingTensor)
    // No elements, and a count of them that no number holds.
    #expect(fault(tensor(shape: [0, 3], strides: [3, 1]), storages: storage) == nil)
    #expect(
      fault(tensor(shape: [.max, .max, 0], strides: [1, 1, 1]), storages: storage)?.code
        == .malformedPickle)
    let two = tensor("FloatStorage").dropLast() + tensor("IntStorage").dropFirst()
    #expect(fault(Array(two), storages: storage)?.code == .invalidOffsets)
    let passing: [(offset: Int, shape: [Int], strides: [Int])] = [
      (1, [4], [1]), (-1, [4], [1]), (.max, [1], [1]), (0, [5], [1]), (0, [4], [-1]),
      (0, [-4], [1]),
      (0, [2, 4], [4, 1]), (0, [.max, .max], [1, 1]), (0, [2], [.max]), (0, [4, 4], [.max, 1]),
    ]
    for view in passing {
      let pickle = tensor(offset: view.offset, shape: view.shape, strides: view.strides)
      #expect(fault(pickle, storages: storage)?.code == .malformedPickle, "\(view)")
    }
    #expect(
      fault(tensor(shape: [2, 2], strides: [1, 2]), storages: storage)?.code == .invalidShape)
    #expect(fault(tensor(shape: [2], strides: [0]), storages: storage)?.code == .invalidShape)
    #expect(
      fault(
        tensor(shape: [1, 1, 1, 1, 1, 1, 1, 1, 4], strides: [1, 1, 1, 1, 1, 1, 1, 1, 1]),
        storages: storage)?.code == .malformedPickle)
  }

  /// An opcode of one byte makes a value of a hundred.
  @Test(arguments: [UInt8(ascii: "}"), UInt8(ascii: ")"), UInt8(ascii: "N"), UInt8(ascii: "(")])
  func valuesAreInProportionToTheBytes(opcode: UInt8) {
    let pickle = [0x80, 2] + [UInt8](repeating: opcode, count: 1 << 18) + [0x2E]
    let error = fault(pickle)
    #expect(error?.code == .malformedPickle)
    #expect(error?.detail.contains("more values than any state dict has") == true)
  }
}
