import VARCheckpoint
import VARConversion
import VARLite
import VARModels
import VARQuantization
import VARTestSupport
import VARVision
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The reference checkpoint, converted once per recipe and layout for all tests of the run.
enum TinyModel {
  private static let store = ModelStore()

  static func path(recipe: String, layout: VQ4StorageLayout = .map) throws -> String {
    try store.path(recipe: recipe, layout: layout)
  }

  static func f32() throws -> Model { try Model(path: path(recipe: "f32")) }

  /// A conversion of the reference checkpoint with changes in its `config.json`.
  ///
  /// - Parameter replacing: texts of `config.json` and what stands there instead.
  static func changed(
    replacing: [String: String], in folder: TemporaryDirectory
  ) throws -> Model {
    try ChangedFixture.make("tiny", changing: "config.json", replacing: replacing, in: folder)
    let path = folder.file("changed.vq4")
    let options = ConversionOptions(recipe: try Recipe(builtIn: "f32"), layout: .map)
    _ = try Conversion(of: Checkpoint(path: folder.path), options: options).write(to: path)
    return try Model(path: path)
  }

  /// What the networks know of the tensors of a model.
  static func tensors(_ file: VQ4File) throws -> [TensorSpecification] {
    try VARGPTConfiguration(config: file.jsonAttachment("configuration")).tensors
  }

  static func picture(_ name: String) throws -> RGBImage {
    try ImageDecoder.decode(path: Fixtures.path("golden/inputs/\(name).png"))
  }
}

private final class ModelStore: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var paths: [String: String] = [:]
  private let folder: String

  init() {
    pthread_mutex_init(&lock, nil)
    var template = Array("/tmp/varlite-tests-XXXXXX".utf8CString)
    folder = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
    // The system removes what a finished test run leaves in its temporary folder.
  }

  func path(recipe: String, layout: VQ4StorageLayout) throws -> String {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    let key = "\(recipe)-\(layout)"
    if let path = paths[key] { return path }
    let path = "\(folder)/\(key).vq4"
    let checkpoint = try Checkpoint(path: Fixtures.path("tiny"))
    var options = ConversionOptions(recipe: try Recipe(builtIn: recipe), layout: layout)
    options.withPreviewMap = true
    _ = try Conversion(of: checkpoint, options: options).write(to: path)
    paths[key] = path
    return path
  }
}
