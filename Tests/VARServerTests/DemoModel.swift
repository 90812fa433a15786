import Testing
import VARLite
import VARServer
import VARTestSupport

/// The demo model, as the program `varlite` runs it and as a service does.
enum DemoModel {
  static let path = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")

  /// The picture's file that `varlite` makes.
  static func drawn(_ arguments: [String]) throws -> [UInt8] {
    let folder = TemporaryDirectory()
    let result = try ProgramRunner.built("varlite").run(
      arguments + ["-o", folder.file("drawn.png"), "--quiet"])
    #expect(result.status == 0, "\(result.errorText)")
    return try Fixtures.readFile(folder.file("drawn.png"))
  }

  /// A service without a socket.
  static func service(
    _ runtime: Runtime, options: Model.Options = Model.Options(),
    _ change: (inout ServerSettings) -> Void
  ) throws -> Service {
    var settings = ServerSettings(secondsSince1970: { 0 })
    change(&settings)
    let service = Service(runtime, settings)
    service.open(try ModelCatalog([runtime.open(path, options: options)]))
    return service
  }
}
