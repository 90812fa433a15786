import VARLite

// Programs MODEL PICTURE FOLDER: runs all of them, one after the other.
let (model, picture, folder) = (
  CommandLine.arguments[1], CommandLine.arguments[2], CommandLine.arguments[3]
)
_ = try ask(model: model, picture: picture)
_ = try draw(model: model, into: folder, stop: StopSignal())
try resume(model: model, into: folder)
print(
  try planAndDraw(model: model, budgetBytes: 200 << 20, into: "\(folder)/planned.png")
    .map(\.kind.rawValue))
_ = try await share(models: [model, model], picture: picture, budgetBytes: 1 << 30)
