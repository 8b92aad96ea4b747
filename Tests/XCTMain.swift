internal import Foundation
internal import Testing

/// The entry point of the test bundle. SwiftPM takes it by its name, and then does not look for
/// tests of XCTest, of which there are none. That would need an index of all sources, which takes a
/// sixth of the time of a build.
@main struct TestBundle {
    static func main() async {
        // `swift test` asks for both libraries.
        let arguments = CommandLine.arguments
        if let place = arguments.firstIndex(of: "--testing-library"),
            arguments[place...].dropFirst().first == "xctest"
        {
            return
        }
        await Testing.__swiftPMEntryPoint() as Never
    }
}
