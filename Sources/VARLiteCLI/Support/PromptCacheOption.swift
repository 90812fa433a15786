import ArgumentParser
import VARLite

/// The file of `--prompt-cache`.
struct PromptCacheOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Keep what the model computed of the system message in this file, so that the next start need not read it \
      again; the results are the same. A file that is damaged or of another model is replaced.
      """, valueName: "file"),
    completion: .file())
  var promptCache: String?

  /// What is kept of prompts.
  ///
  /// - Parameters:
  ///   - hasManyRequests: whether the program itself needs it again.
  ///   - isQuiet: whether nothing is said of a file that is left alone.
  func settings(hasManyRequests: Bool = false, isQuiet: Bool) -> Model.PromptCache {
    if let promptCache, !isQuiet, !PromptCacheFile.mark.canReplace(promptCache) {
      Console.error("\(promptCache): is no prompt cache and is left as it is")
    }
    return Model.PromptCache(
      hasManyRequests || promptCache != nil ? .systemTurn : .nothing, path: promptCache)
  }
}
