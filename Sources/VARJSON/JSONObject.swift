/// Key and value pairs in a fixed order; keys are unique.
///
/// Each key is held once. Few members are searched one by one, more through a hash table of their positions.
package struct JSONObject: Sendable, Equatable {
  package private(set) var members: [(key: String, value: JSONValue)] = []
  /// Positions of members, by open addressing; `emptySlot` where there is none. No slots for few members.
  private var slots: [UInt32] = []

  /// So many members are found as fast without a table.
  private static let searchedMemberCount = 8
  private static let emptySlot = UInt32.max

  package init() {}

  package init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  /// Reads a member, sets it in place, appends it, or removes it (`nil`).
  package subscript(key: String) -> JSONValue? {
    get { position(of: key).map { members[$0].value } }
    set {
      if let position = position(of: key) {
        if let newValue {
          members[position].value = newValue
        } else {
          members.remove(at: position)
          makeSlots()
        }
      } else if let newValue {
        append(key, newValue)
      }
    }
  }

  /// Bytes on the heap, without those of keys and values.
  var heapByteCount: Int {
    members.capacity * MemoryLayout<(key: String, value: JSONValue)>.stride
      + slots.capacity * MemoryLayout<UInt32>.stride
  }

  /// Adds a member whose key is not there yet.
  mutating func append(_ key: String, _ value: JSONValue) {
    members.append((key, value))
    // A third of the slots stays empty.
    if members.count * 3 > slots.count * 2 {
      makeSlots()
    } else {
      insert(members.count - 1)
    }
  }

  private func position(of key: String) -> Int? {
    guard !slots.isEmpty else { return members.firstIndex { $0.key == key } }
    var slot = key.hashValue & (slots.count - 1)
    while slots[slot] != Self.emptySlot {
      let position = Int(slots[slot])
      if members[position].key == key { return position }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  private mutating func makeSlots() {
    slots = []
    guard members.count > Self.searchedMemberCount else { return }
    var count = 16
    while count * 2 < members.count * 3 { count *= 2 }
    slots = [UInt32](repeating: Self.emptySlot, count: count)
    for position in members.indices { insert(position) }
  }

  private mutating func insert(_ position: Int) {
    guard !slots.isEmpty else { return }
    var slot = members[position].key.hashValue & (slots.count - 1)
    while slots[slot] != Self.emptySlot { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = UInt32(position)
  }

  package static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members.count == right.members.count
      && zip(left.members, right.members).allSatisfy { $0.key == $1.key && $0.value == $1.value }
  }
}
