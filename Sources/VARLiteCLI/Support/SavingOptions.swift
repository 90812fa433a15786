import ArgumentParser

/// What of a drawing is stored on the way, and which earlier drawing a new one is about.
struct SavingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Store the drawing in this file after each scale, to go on from after a power cut.",
      valueName: "file"),
    completion: .file())
  var checkpoint: String?

  @Option(
    help: ArgumentHelp(
      """
      Go on with the drawing that --checkpoint stored in this file, to the same picture. Prompt, pictures and system \
      message are to be given again; other settings are the drawing's own.
      """, valueName: "file"),
    completion: .file())
  var resumeFrom: String?

  @Option(
    help: ArgumentHelp(
      """
      Draw a PNG of varlite again, from what the file tells; edit needs its pictures again. With another --seed: \
      another picture of the same prompt and settings.
      """, valueName: "picture.png"),
    completion: .file(extensions: ["png", "PNG"]))
  var like: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      With --resume-from or --like: draw a variation that shares this many coarse scales, the rest with a new --seed.
      """, valueName: "k"))
  var keepScales: Int?

  func validate() throws {
    if resumeFrom != nil, like != nil {
      throw ValidationError("--resume-from and --like exclude each other")
    }
    guard let keepScales else { return }
    guard keepScales >= 0 else {
      throw ValidationError("--keep-scales is 0 or more, not \(keepScales)")
    }
    guard resumeFrom != nil || like != nil else {
      throw ValidationError("--keep-scales needs --resume-from or --like: whose scales to keep")
    }
  }
}
