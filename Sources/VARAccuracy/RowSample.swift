import VARKernels
import VARSystem

/// A few of many rows, each as probable as the others to be among them, and the same ones in every run.
///
/// Each row has a random number that its place among the rows decides; those of the least numbers stay.
struct RowSample {
  let capacity: Int
  private var kept: [(number: UInt64, place: Int, slot: Int)] = []
  /// The one of `kept` with the largest number.
  private var largest = 0
  private var seenCount = 0
  private var values: [Float]
  private let columns: Int

  init(capacity: Int, columns: Int) {
    self.capacity = capacity
    self.columns = columns
    values = [Float](repeating: 0, count: capacity * columns)
  }

  mutating func add(_ rows: Rows) {
    for row in 0..<rows.count {
      var random = SeededRandom(seed: UInt64(seenCount))
      let number = random.next()
      let place = seenCount
      seenCount += 1
      if kept.count < capacity {
        kept.append((number, place, kept.count))
        put(rows[row], kept.count - 1)
      } else if number < kept[largest].number {
        let slot = kept[largest].slot
        kept[largest] = (number, place, slot)
        put(rows[row], slot)
      } else {
        continue
      }
      if kept.count == capacity {
        largest = kept.indices.max { kept[$0].number < kept[$1].number } ?? 0
      }
    }
  }

  private mutating func put(_ row: UnsafeMutablePointer<Float>, _ slot: Int) {
    for column in 0..<columns { values[slot * columns + column] = row[column] }
  }

  /// The rows in the order in which they came, without gaps.
  var rows: (count: Int, values: [Float]) {
    let inOrder = kept.sorted { $0.place < $1.place }
    return (
      inOrder.count, inOrder.flatMap { values[$0.slot * columns..<($0.slot + 1) * columns] }
    )
  }
}
