// swift-tools-version: 6.2
import PackageDescription

// The programs of "Embed VARLite in an app", as an app has them: they see the product alone.
let package = Package(
  name: "Embedding",
  dependencies: [.package(name: "VARLite", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "Programs", dependencies: [.product(name: "VARLite", package: "VARLite")])
  ],
  swiftLanguageModes: [.v6]
)
