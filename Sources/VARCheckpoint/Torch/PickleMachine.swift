/// Reads the pickle of a PyTorch file without executing anything.
///
/// A stack machine that knows dictionaries, lists, tuples, numbers, texts and tensors, and the few names and opcodes
/// that state dicts need; everything else is refused with its place. Values live in one flat table, so that no nesting,
/// cycle or shared value costs more than the bytes that make it.
struct PickleMachine {
  enum Node {
    case none
    case bool(Bool)
    case integer(Int)
    case text(String)
    /// Of no interest: floats, bytes, long integers.
    case opaque
    case tuple([Int])
    case list([Int])
    case dictionary([(key: Int, value: Int)])
    case global(PickleGlobal)
    /// Index into `storages`.
    case storage(Int)
    /// Index into `tensors`.
    case tensor(Int)
  }

  struct Storage: Equatable {
    let type: TorchStorageType
    /// Name of the member that holds the elements.
    let key: String
    let elementCount: Int
  }

  /// A view of a storage; counts elements.
  struct Tensor: Equatable {
    let storage: Int
    let offset: Int
    let shape: [Int]
    let strides: [Int]
  }

  private(set) var nodes: [Node] = []
  private(set) var storages: [Storage] = []
  private(set) var tensors: [Tensor] = []
  private var stack: [Int] = []
  private var marks: [Int] = []
  private var memo: [Int: Int] = [:]
  private var input: PickleInput

  static let maximumByteCount = 16 << 20
  static let maximumRank = 8
  /// Values, places on the stack and remembered ones, of each at most this many. An opcode of one byte makes a value of
  /// some hundred bytes, a state dict one of 7 bytes on average: 10,000 tensors have 2 MB and 300,000 values.
  private let maximumValueCount: Int

  /// - Parameter path: of the file, for errors.
  init(_ bytes: [UInt8], path: String) {
    input = PickleInput(bytes, path: path)
    maximumValueCount = min(1 << 20, 1 << 17 + bytes.count / 8)
  }

  /// Runs to the end and gives the index of the value that was made.
  mutating func run() throws(CheckpointError) -> Int {
    while true {
      let opcode = try input.nextOpcode()
      if opcode == .stop { break }
      try execute(opcode)
      guard stack.count <= maximumValueCount, marks.count <= maximumValueCount,
        nodes.count <= maximumValueCount, memo.count <= maximumValueCount
      else { throw input.malformed("more values than any state dict has") }
    }
    return try pop()
  }

  private mutating func execute(_ opcode: PickleOpcode) throws(CheckpointError) {
    switch opcode {
    case .stop: break
    case .proto:
      let version = try input.number(1)
      guard version <= 5 else { throw input.malformed("protocol \(version) is not known") }
    case .frame: _ = try input.take(8)
    case .mark: marks.append(stack.count)
    case .pop: _ = try pop()
    case .popMark: _ = try popToMark()
    case .duplicate: stack.append(try top())
    case .none: push(.none)
    case .newTrue: push(.bool(true))
    case .newFalse: push(.bool(false))
    case .integer, .long, .binaryInteger, .binaryInteger1, .binaryInteger2, .long1, .long4:
      try pushInteger(opcode)
    case .float:
      _ = try input.line()
      push(.opaque)
    case .binaryFloat:
      _ = try input.take(8)
      push(.opaque)
    case .binaryBytes, .shortBinaryBytes, .binaryBytes8:
      _ = try input.take(
        try input.number(opcode == .binaryBytes ? 4 : opcode == .binaryBytes8 ? 8 : 1))
      push(.opaque)
    case .binaryString, .binaryText: push(.text(try input.text(4)))
    case .shortBinaryString, .shortBinaryText: push(.text(try input.text(1)))
    case .binaryText8: push(.text(try input.text(8)))
    case .emptyTuple: push(.tuple([]))
    case .tuple: push(.tuple(try popToMark()))
    case .tuple1: push(.tuple(try pop(count: 1)))
    case .tuple2: push(.tuple(try pop(count: 2)))
    case .tuple3: push(.tuple(try pop(count: 3)))
    case .emptyList: push(.list([]))
    case .list: push(.list(try popToMark()))
    case .append: try append([try pop()])
    case .appends: try append(try popToMark())
    case .emptyDictionary: push(.dictionary([]))
    case .dictionary:
      let items = try popToMark()
      push(.dictionary([]))
      try setItems(items)
    case .setItem: try setItems(try pop(count: 2))
    case .setItems: try setItems(try popToMark())
    case .get: try get(try input.lineNumber())
    case .binaryGet: try get(try input.number(1))
    case .longBinaryGet: try get(try input.number(4))
    case .put: memo[try input.lineNumber()] = try top()
    case .binaryPut: memo[try input.number(1)] = try top()
    case .longBinaryPut: memo[try input.number(4)] = try top()
    case .memoize: memo[memo.count] = try top()
    case .global: try pushGlobal(module: try input.line(), name: try input.line())
    case .stackGlobal: try pushStackGlobal()
    case .binaryPersistentID: try pushStorage()
    case .reduce: try reduce()
    case .build: try build()
    }
  }
}

// MARK: - Numbers

extension PickleMachine {
  private mutating func pushInteger(_ opcode: PickleOpcode) throws(CheckpointError) {
    switch opcode {
    case .integer:
      let text = try input.line()
      // Protocol 1 writes truth values so.
      if text == "00" || text == "01" { return push(.bool(text == "01")) }
      guard let value = Int(text) else { throw input.malformed("no number") }
      push(.integer(value))
    case .long: push(Int(try input.line().filter { $0 != "L" }).map { .integer($0) } ?? .opaque)
    case .binaryInteger: push(.integer(Int(Int32(truncatingIfNeeded: try input.number(4)))))
    case .binaryInteger1: push(.integer(try input.number(1)))
    case .binaryInteger2: push(.integer(try input.number(2)))
    default:
      let part = try input.take(try input.number(opcode == .long1 ? 1 : 4))
      guard part.count <= 8 else { return push(.opaque) }
      let isNegative = (part.last ?? 0) >= 0x80
      let value = part.reversed().reduce(isNegative ? UInt64.max : 0) { $0 << 8 | UInt64($1) }
      push(.integer(Int(bitPattern: UInt(value))))
    }
  }
}

// MARK: - Stack

extension PickleMachine {
  private mutating func push(_ node: Node) {
    nodes.append(node)
    stack.append(nodes.count - 1)
  }

  private func top() throws(CheckpointError) -> Int {
    guard let last = stack.last, stack.count > (marks.last ?? 0) else {
      throw input.malformed("an opcode without its operands")
    }
    return last
  }

  private mutating func pop() throws(CheckpointError) -> Int {
    let last = try top()
    stack.removeLast()
    return last
  }

  private mutating func pop(count: Int) throws(CheckpointError) -> [Int] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw input.malformed("an opcode without its operands")
    }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(CheckpointError) -> [Int] {
    guard let mark = marks.popLast() else { throw input.malformed("no mark") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func get(_ index: Int) throws(CheckpointError) {
    guard let node = memo[index] else { throw input.malformed("nothing is remembered as \(index)") }
    stack.append(node)
  }

  private mutating func append(_ items: [Int]) throws(CheckpointError) {
    let target = try top()
    guard case .list(var list) = nodes[target] else {
      throw input.malformed("no list to append to")
    }
    // The table gives the list away, so that it grows in place.
    nodes[target] = .none
    list += items
    nodes[target] = .list(list)
  }

  private mutating func setItems(_ items: [Int]) throws(CheckpointError) {
    let target = try top()
    guard case .dictionary(var entries) = nodes[target], items.count % 2 == 0 else {
      throw input.malformed("no dictionary, or a key without value")
    }
    nodes[target] = .none
    for index in stride(from: 0, to: items.count, by: 2) {
      entries.append((items[index], items[index + 1]))
    }
    nodes[target] = .dictionary(entries)
  }
}

// MARK: - Names and constructors

extension PickleMachine {
  private mutating func pushGlobal(module: String, name: String) throws(CheckpointError) {
    guard let global = PickleGlobal(module: module, name: name) else {
      throw input.refused("\(module).\(name)")
    }
    push(.global(global))
  }

  private mutating func pushStackGlobal() throws(CheckpointError) {
    let names = try pop(count: 2)
    guard case .text(let module) = nodes[names[0]], case .text(let name) = nodes[names[1]] else {
      throw input.malformed("a name that is no text")
    }
    try pushGlobal(module: module, name: name)
  }

  /// `("storage", type, key, location, elementCount)`.
  private mutating func pushStorage() throws(CheckpointError) {
    guard case .tuple(let parts) = nodes[try pop()], parts.count == 5,
      case .text("storage") = nodes[parts[0]], case .global(.storage(let type)) = nodes[parts[1]],
      case .text(let key) = nodes[parts[2]], case .text = nodes[parts[3]],
      case .integer(let count) = nodes[parts[4]], count >= 0
    else { throw input.malformed("a persistent id that is no storage of PyTorch") }
    storages.append(Storage(type: type, key: key, elementCount: count))
    push(.storage(storages.count - 1))
  }

  private mutating func reduce() throws(CheckpointError) {
    let call = try pop(count: 2)
    guard case .global(let global) = nodes[call[0]], case .tuple(let arguments) = nodes[call[1]]
    else { throw input.refused("REDUCE of what is no constructor") }
    switch global {
    case .orderedDictionary:
      guard arguments.isEmpty else { throw input.refused("OrderedDict with arguments") }
      push(.dictionary([]))
    case .rebuildTensor: try pushTensor(arguments)
    case .rebuildParameter:
      guard let first = arguments.first, case .tensor = nodes[first], arguments.count == 3 else {
        throw input.malformed("a parameter without tensor")
      }
      stack.append(first)
    case .size:
      guard arguments.count == 1, case .tuple = nodes[arguments[0]] else {
        throw input.malformed("a size that is no tuple")
      }
      stack.append(arguments[0])
    case .storage(let type): throw input.refused("a call of torch.\(type.rawValue)")
    case .elementType: throw input.refused("a call of an element type")
    }
  }

  /// `(storage, offset, shape, strides, requires_grad, hooks[, metadata])`.
  private mutating func pushTensor(_ arguments: [Int]) throws(CheckpointError) {
    guard (6...7).contains(arguments.count), case .storage(let index) = nodes[arguments[0]],
      case .integer(let offset) = nodes[arguments[1]], let shape = integers(arguments[2]),
      let strides = integers(arguments[3]), shape.count == strides.count
    else {
      throw input.malformed("a tensor whose parts are not storage, offset, shape and strides")
    }
    guard shape.count <= Self.maximumRank else {
      throw input.malformed("\(shape.count) dimensions; at most \(Self.maximumRank) are read")
    }
    guard offset >= 0, (shape + strides).allSatisfy({ $0 >= 0 }) else {
      throw input.malformed("a tensor with a negative offset, dimension or stride")
    }
    // A tensor without elements may have any other dimensions, but their product is taken all the same.
    var elementCount = 1
    for size in shape {
      let (product, overflow) = elementCount.multipliedReportingOverflow(by: size)
      guard !overflow else { throw input.malformed("no tensor can have the shape \(shape)") }
      elementCount = product
    }
    // One past the last element, where there is one.
    var end = elementCount == 0 ? 0 : 1
    var isTooLarge = false
    for (size, stride) in zip(shape, strides) where end > 0 {
      let (step, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, carry) = end.addingReportingOverflow(step)
      isTooLarge = isTooLarge || overflow || carry
      if !isTooLarge { end = sum }
    }
    guard !isTooLarge, end <= storages[index].elementCount,
      offset <= storages[index].elementCount - end
    else {
      throw input.malformed(
        "a tensor of shape \(shape), strides \(strides) and offset \(offset) passes its storage of "
          + "\(storages[index].elementCount) elements")
    }
    tensors.append(Tensor(storage: index, offset: offset, shape: shape, strides: strides))
    push(.tensor(tensors.count - 1))
  }

  private func integers(_ node: Int) -> [Int]? {
    guard case .tuple(let items) = nodes[node], items.count <= 64 else { return nil }
    var values: [Int] = []
    for item in items {
      guard case .integer(let value) = nodes[item] else { return nil }
      values.append(value)
    }
    return values
  }

  /// A state dict carries its modules' versions as attributes; they are of no interest.
  private mutating func build() throws(CheckpointError) {
    _ = try pop()
    guard case .dictionary = nodes[try top()] else {
      throw input.refused("BUILD of what is no OrderedDict")
    }
  }
}
