import ArgumentParser

/// Several pictures of one run.
struct ListOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Draw this many pictures, with the seeds from --seed on, into files with the seed in their names: out-7.png. \
      Those that are drawn already are left out.
      """, valueName: "n"))
  var count: Int?

  @Option(
    help: ArgumentHelp(
      """
      Draw a picture for each line of this file, or of standard input (-), into files with the number of the prompt in \
      their names: out-0.png. A line is a prompt, or a JSON object: {"prompt": "a red circle", "seed": 7, \
      "cfg_scale": 2}. Those that are drawn already are left out, and one that fails does not stop the others.
      """, valueName: "file|-"),
    completion: .file())
  var prompts: String?

  @Option(
    help: ArgumentHelp(
      """
      Of --prompts draw those alone whose number, from 0 on, leaves k when divided by n: 0/2 and 1/2 share a list.
      """, valueName: "k/n"))
  var shard: Shard?

  /// Pictures that one run draws at most.
  static let maximumCount = 1_000_000

  /// Whether there may be more than one picture.
  var isList: Bool { count != nil || prompts != nil }

  func validate() throws {
    if let count, !(1...Self.maximumCount).contains(count) {
      throw ValidationError("--count is 1 to \(Self.maximumCount), not \(count)")
    }
    if shard != nil, prompts == nil { throw ValidationError("--shard is for --prompts") }
  }
}

/// A part of a list: every n-th, from the k-th on.
struct Shard: ExpressibleByArgument {
  let remainder, divisor: Int

  init?(argument: String) {
    let numbers = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let remainder = numbers[0], let divisor = numbers[1], divisor > 0,
      (0..<divisor).contains(remainder)
    else { return nil }
    (self.remainder, self.divisor) = (remainder, divisor)
  }

  func contains(_ index: Int) -> Bool { index % divisor == remainder }
}
