import VARLite
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Finds the model of a command: the option, `$VARLITE_MODEL`, or the demo model beside the program.
package enum DefaultModel {
  /// What the demo model was trained on, for the help.
  package static let world = """
    The demo model knows a toy world of 96x96 pixels: one to three shapes (circle, square, triangle, star, ring, \
    cross), each in a place of its own (top left, top, top right, left, center, right, bottom left, bottom, bottom \
    right), big or small, in red, green, blue, yellow, orange, purple, cyan or black, on a white, gray, pink, mint \
    or beige background. It understands sentences like these:
      Draw a red circle.
      Draw a small blue star on the left on a mint background.
      Draw a big red circle at the top and a small green ring in the center.
      Turn the red circle blue. Change the blue star into a green ring.
      Make the star small. Move the red ring to the top. Delete the star.
      Add a small black cross on the right. Use a pink background.
      Describe the image. How many shapes are there? What shape is yellow?
      What color is the star? Where is the red ring? What is at the top?
      Is there a red circle? Is the ring big or small? What is the background?
    Its training had one turn at a time: in a chat, /clear comes before what is not about the last picture alone.
    """

  /// Where SwiftPM puts the demo model, relative to the program's own folder.
  private static let resource = "VARLite_CVARDemoModel.resources/shapes.vq4"

  /// A model, and whether nobody has named it.
  package struct Choice {
    package let path: String
    fileprivate var isDemo = false

    /// A line that says that a demo is at work; nil where it is not.
    ///
    /// - Parameter program: begins the line.
    package func notice(_ program: String) -> String? {
      guard isDemo else { return nil }
      return "\(program): this is the demo model, which knows nothing but small coloured shapes "
        + "(see varlite --help); --model FILE takes another"
    }
  }

  package static func path(option: String?) throws -> String {
    try choice(option: option).path
  }

  package static func choice(option: String?) throws -> Choice {
    if let path = try option ?? ProgramInput.variable("VARLITE_MODEL") {
      try ModelPath.check(path)
      return Choice(path: path)
    }
    guard let program = programPath() else {
      throw VARLiteError(.model, "the demo model cannot be found; use --model")
    }
    guard let name = String(validating: program, as: UTF8.self) else {
      throw VARLiteError(
        .model,
        "the demo model lies in a folder whose name is not UTF-8: "
          + "\(String(decoding: program, as: UTF8.self)); rename it, or use --model")
    }
    let folder = name[..<(name.lastIndex(of: "/") ?? name.startIndex)]
    let path = folder + "/" + resource
    guard FileTree.isReadable(path) else {
      throw VARLiteError(
        .model,
        "the demo model is not at \(path); keep VARLite_CVARDemoModel.resources beside the "
          + "program, or use --model")
    }
    return Choice(path: path, isDemo: true)
  }

  /// The program's file without links; nil where the system tells nothing of it.
  private static func programPath() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { bytes in
      readlink(
        "/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    if count > 0, count < buffer.count { return Array(buffer.prefix(count)) }
    // Without /proc the program is where it was found when it was started.
    guard let path = ProgramInput.program, let name = realpath(path, nil) else { return nil }
    defer { free(name) }
    return Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
  }
}
