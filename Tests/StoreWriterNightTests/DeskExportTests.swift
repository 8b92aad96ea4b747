import TestSupport
import Testing

@testable import StoreWriterServerTests

/// Exports and notebook of the Python package, with the engines of other people.
@Suite("What the Python package gives to others")
struct DeskExportTests {
    private let desk = DeskPackageTests()

    @Test("frames of a database have its values, holes raise, and no password is shown")
    func database() throws {
        let url = try DeskPackageTests.database(
            "desk_package", ["data_page.sql", "desk/depth.sql"])
        // The packages of NautilusTrader are others, and need another installation.
        for (part, packages) in [("database", "desk"), ("nautilus", "engines")] {
            guard let told = try desk.check([part, url], with: packages) else { continue }
            #expect(told.hasSuffix("checks passed"), "\(told)")
        }
    }

    @Test("the notebook runs over the recording in the wheel, and the package keeps strict types")
    func notebook() throws {
        let folder = try TemporaryFolder("notebook")
        let told = try desk.check(
            [], decoder: try DeskPackageTests.decoder(in: folder), with: "notebook",
            script: "desk_notebook.py")
        guard let told else { return }
        #expect(told.hasSuffix("checks passed"), "\(told)")
    }
}
