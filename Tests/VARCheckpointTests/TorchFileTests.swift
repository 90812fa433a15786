import Testing
import VARCheckpoint
import VARTestSupport

/// Files that the real PyTorch wrote (`Fixtures/pth/make_fixtures.py`).
@Suite struct TorchFileTests {
  private func open(_ name: String, groups: [String] = []) throws -> Checkpoint {
    try Checkpoint(path: Fixtures.path("pth/\(name).pth"), groups: groups)
  }

  private func fault(_ name: String, groups: [String] = []) -> CheckpointError? {
    do {
      _ = try open(name, groups: groups)
      return nil
    } catch {
      return error as? CheckpointError
    }
  }

  @Test(arguments: 1...5) func everyProtocolGivesTheSameTensors(number: Int) throws {
    let file = try open("protocol\(number)", groups: ["vae"])
    #expect(
      file.tensors.map(\.name) == [
        "count", "half", "parameter", "plain", "rows", "scalar", "tied_a", "tied_b",
      ])
    func check(
      _ name: String, _ type: CheckpointElementType, _ shape: [Int], _ values: [Float]
    ) throws {
      let tensor = try #require(file[name])
      #expect(tensor.elementType == type)
      #expect(tensor.shape == shape)
      #expect(try tensor.floats() == values)
    }
    let counted = (0..<12).map(Float.init)
    try check("plain", .f32, [3, 4], counted)
    try check("rows", .f32, [2, 4], Array(counted[4...]))
    try check("parameter", .bf16, [3, 4], counted.map { $0 / 8 })
    try check("half", .f16, [3, 4], counted.map { $0 / 4 })
    try check("scalar", .f32, [], [2.5])
    try check("tied_a", .f32, [2], [0.5, -0.5])
    try check("tied_b", .f32, [2], [0.5, -0.5])
    #expect(file["count"]?.elementType == .i64)
    #expect(file["count"]?.shape == [])
  }

  @Test func theGroupIsChosenByName() throws {
    #expect(try open("protocol2", groups: ["nothing", "ema"]).tensors.map(\.shape) == [[1]])
    let fault = fault("protocol2")
    #expect(fault?.code == .ambiguousGroup)
    #expect(fault?.detail.contains("(vae, ema, optimizer)") == true)
  }

  @Test func whatIsNotReadIsRefusedByName() {
    #expect(fault("legacy")?.code == .unsupportedFormat)
    #expect(fault("legacy")?.detail.contains("before PyTorch 1.6") == true)
    #expect(fault("protocol0")?.code == .refusedPickle)
    #expect(fault("protocol0")?.detail.contains("protocol 0") == true)
    #expect(fault("transposed")?.code == .invalidShape)
    #expect(fault("transposed")?.tensor == "turned")
    #expect(fault("module")?.code == .refusedPickle)
    #expect(fault("module")?.detail.contains("torch.nn.modules.linear.Linear") == true)
  }

  @Test func otherTypesStandInTheListWithTheirNames() throws {
    let tensors = try open("double").tensors.filter { !$0.elementType.isFloat }
    #expect(tensors.map(\.typeName) == ["torch.DoubleStorage"])
    #expect(tensors.map { $0.byteCount / $0.elementCount } == [8])
  }

  /// Cut anywhere, the file is refused; no crash, no tensor past its end.
  @Test func everyPrefixIsRefused() throws {
    let bytes = try Fixtures.readFile(Fixtures.path("pth/protocol2.pth"))
    let directory = TemporaryDirectory()
    for count in 0..<bytes.count {
      directory.write("a.pth", Array(bytes[..<count]))
      #expect(throws: CheckpointError.self, "\(count) bytes") {
        _ = try Checkpoint(path: directory.file("a.pth"), groups: ["vae"])
      }
    }
  }

  /// A changed byte is refused, or gives tensors that can be read.
  @Test(arguments: [UInt8(0x01), 0x80, 0xFF], ["protocol2", "protocol4"])
  func changedBytesDoNotCrash(mask: UInt8, name: String) throws {
    var bytes = try Fixtures.readFile(Fixtures.path("pth/\(name).pth"))
    let directory = TemporaryDirectory()
    var refusedCount = 0
    for index in bytes.indices {
      bytes[index] ^= mask
      directory.write("a.pth", bytes)
      bytes[index] ^= mask
      do {
        let file = try Checkpoint(path: directory.file("a.pth"), groups: ["vae"])
        for tensor in file.tensors where tensor.elementType != .i64 {
          #expect(try tensor.floats().count == tensor.elementCount)
        }
      } catch {
        refusedCount += 1
      }
    }
    #expect(refusedCount > bytes.count / 4)
  }

  @Test func aDirectoryOfShardsIsReadByItsIndex() throws {
    func tensor(_ value: Float) -> TorchArchive.Value {
      .tensor(
        TorchArchive.Tensor(
          storageType: "FloatStorage", shape: [1],
          bytes: TorchArchive.number(Int(value.bitPattern), 4)))
    }
    let directory = TemporaryDirectory()
    let index = #"{"weight_map":{"a":"pytorch_model-1.bin","b":"pytorch_model-2.bin"}}"#
    directory.write("pytorch_model.bin.index.json", index)
    directory.write("pytorch_model-1.bin", TorchArchive.file(.dictionary([("a", tensor(1))])))
    directory.write("pytorch_model-2.bin", TorchArchive.file(.dictionary([("b", tensor(2))])))
    let checkpoint = try Checkpoint(path: directory.path)
    #expect(checkpoint.shardNames == ["pytorch_model-1.bin", "pytorch_model-2.bin"])
    #expect(try checkpoint.tensors.map { try $0.floats() } == [[1], [2]])
    directory.write("pytorch_model-2.bin", TorchArchive.file(.dictionary([("c", tensor(2))])))
    #expect {
      _ = try Checkpoint(path: directory.path)
    } throws: {
      ($0 as? CheckpointError)?.code == .missingTensor
    }
  }
}
