/// Unicode normalization form C (UAX 15), with the tables of `UnicodeData`.
enum CanonicalComposer {
  /// The text in form C, or `nil` where it already is: one pass, nothing allocated.
  ///
  /// A text is cut before each inert character; only the runs between that are out of order or may
  /// compose are rewritten, so the cost is linear (a run of n marks: n log n).
  static func compose(_ text: UTF8Text) -> [UInt8]? {
    let table = UnicodeTable.shared
    var output: [UInt8] = []
    var copiedCount = 0
    var runStart = 0
    var position = 0
    var lastClass: UInt8 = 0
    var needsWork = false

    func finishRun(at end: Int) {
      guard needsWork else { return }
      output.append(
        contentsOf: UnsafeBufferPointer(
          start: text.bytes + copiedCount, count: runStart - copiedCount))
      composeRun(UTF8Text(bytes: text.bytes + runStart, count: end - runStart), table, &output)
      copiedCount = end
      needsWork = false
    }

    while position < text.count {
      // Below U+0300 every character is inert.
      if text.bytes[position] < 0xCC {
        if needsWork { finishRun(at: position) }
        runStart = position
        lastClass = 0
        position += text.bytes[position] < 0x80 ? 1 : 2
        continue
      }
      let (character, byteCount) = text.character(at: position)
      let properties = table.properties(character)
      if properties.isInert {
        if needsWork { finishRun(at: position) }
        runStart = position
        lastClass = 0
      } else {
        let combiningClass = properties.combiningClass
        if properties.mayCompose || (combiningClass != 0 && combiningClass < lastClass) {
          needsWork = true
        }
        lastClass = combiningClass
      }
      position += byteCount
    }
    finishRun(at: text.count)
    guard copiedCount > 0 else { return nil }
    output.append(
      contentsOf: UnsafeBufferPointer(
        start: text.bytes + copiedCount, count: text.count - copiedCount))
    return output
  }

  private struct Mark {
    var character: UInt32
    var combiningClass: UInt8
  }

  private static func composeRun(
    _ run: UTF8Text, _ table: UnicodeTable, _ output: inout [UInt8]
  ) {
    var marks: [Mark] = []
    var position = 0
    while position < run.count {
      let (character, byteCount) = run.character(at: position)
      decompose(character, table, &marks)
      position += byteCount
    }
    reorder(&marks)
    recompose(&marks, table)
    for mark in marks { UTF8Text.append(mark.character, to: &output) }
  }

  private static let hangulBase: UInt32 = 0xAC00
  private static let leadBase: UInt32 = 0x1100
  private static let vowelBase: UInt32 = 0x1161
  private static let trailBase: UInt32 = 0x11A7
  private static let leadCount: UInt32 = 19
  private static let vowelCount: UInt32 = 21
  private static let trailCount: UInt32 = 28
  private static let syllableCount = leadCount * vowelCount * trailCount

  private static func decompose(
    _ character: UInt32, _ table: UnicodeTable, _ marks: inout [Mark]
  ) {
    if character >= hangulBase, character - hangulBase < syllableCount {
      let index = character - hangulBase
      let trail = index % trailCount
      marks.append(
        Mark(character: leadBase + index / (vowelCount * trailCount), combiningClass: 0))
      marks.append(
        Mark(
          character: vowelBase + index % (vowelCount * trailCount) / trailCount, combiningClass: 0))
      if trail != 0 { marks.append(Mark(character: trailBase + trail, combiningClass: 0)) }
    } else if let (first, second) = table.decomposition(of: character) {
      decompose(first, table, &marks)
      if second != 0 { decompose(second, table, &marks) }
    } else {
      marks.append(
        Mark(
          character: character, combiningClass: table.properties(character).combiningClass))
    }
  }

  /// Sorts each stretch of marks by class, keeping the order of equals.
  private static func reorder(_ marks: inout [Mark]) {
    var start = 0
    while start < marks.count {
      guard marks[start].combiningClass != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      var isOrdered = true
      while end < marks.count, marks[end].combiningClass != 0 {
        if marks[end].combiningClass < marks[end - 1].combiningClass { isOrdered = false }
        end += 1
      }
      if !isOrdered {
        let sorted = marks[start..<end].enumerated().sorted {
          ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
        }
        for (offset, entry) in sorted.enumerated() { marks[start + offset] = entry.element }
      }
      start = end
    }
  }

  /// Joins each character that is not blocked with the last starter before it.
  private static func recompose(_ marks: inout [Mark], _ table: UnicodeTable) {
    var starter: Int?
    var lastClass: UInt8 = 0
    var count = 0
    for index in marks.indices {
      let mark = marks[index]
      if let starter, count == starter + 1 || (lastClass != 0 && lastClass < mark.combiningClass),
        let composite = composite(marks[starter].character, mark.character, table)
      {
        marks[starter].character = composite
        continue
      }
      if mark.combiningClass == 0 { starter = count }
      lastClass = mark.combiningClass
      marks[count] = mark
      count += 1
    }
    marks.removeLast(marks.count - count)
  }

  private static func composite(
    _ first: UInt32, _ second: UInt32, _ table: UnicodeTable
  ) -> UInt32? {
    if first >= leadBase, first - leadBase < leadCount {
      guard second >= vowelBase, second - vowelBase < vowelCount else { return nil }
      return hangulBase
        + ((first - leadBase) * vowelCount + second - vowelBase) * trailCount
    }
    if first >= hangulBase, first - hangulBase < syllableCount,
      (first - hangulBase) % trailCount == 0
    {
      guard second > trailBase, second - trailBase < trailCount else { return nil }
      return first + second - trailBase
    }
    return table.composition(first, second)
  }
}
