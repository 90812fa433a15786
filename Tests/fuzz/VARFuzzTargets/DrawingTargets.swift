import VARKernels
import VARLite
import VARModels

extension FuzzTarget {
  /// The map of colours in a model's file, by which drawings are watched.
  static let previewMap = FuzzTarget(
    "preview-map",
    files: { [FuzzFile("preview_map", $0)] },
    read: { input in
      let map = try PreviewMap(bytes: input)
      guard map.bytes == input else {
        preconditionFailure("a preview map is not what was read")
      }
      let values = [-1e30, -1, 0, 0.5, 1, 1e30, .infinity, .nan].map { Float($0) }
      let codes = values.flatMap { [Float](repeating: $0, count: map.codebookDim) }
      let colours = codes.withRows(columns: map.codebookDim) {
        map.colours(of: $0, grid: GridSize(height: 2, width: 4))
      }
      guard colours.count == 3 * values.count else {
        preconditionFailure("a preview has a colour for each token")
      }
    })

  /// The lines of a list of prompts.
  static let promptList = FuzzTarget(
    "prompt-list",
    files: { [FuzzFile("prompts.txt", $0)] },
    read: { input in
      let list = try PromptList(parsing: String(decoding: input, as: UTF8.self))
      for (index, line) in list.lines.enumerated() where line.index != index || line.number <= index
      {
        preconditionFailure("a prompt stands at another place than it says")
      }
    })
}
