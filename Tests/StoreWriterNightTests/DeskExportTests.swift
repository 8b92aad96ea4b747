import Foundation
import Seeds
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriterServerTests

/// Exports and notebook of the Python package, with the engines of other people.
@Suite("What the Python package gives to others")
struct DeskExportTests {
    private let desk = DeskPackageTests()

    @Test("a catalog of NautilusTrader has the values of a database")
    func nautilus() throws {
        let url = try DeskPackageTests.database(
            "desk_catalog", ["data_page.sql", "desk/depth.sql"])
        // The packages of NautilusTrader are others, and need another installation.
        try desk.expectPassed(["nautilus", url], with: "engines")
    }

    @Test("the nightly job of the samples runs as a flow of Prefect")
    func flow() throws {
        let url = try DeskPackageTests.database("desk_flow", ["data_page.sql", "desk/depth.sql"])
        try desk.expectPassed(
            ["nightly", url, "--flow"], with: "prefect", script: "desk_follow.py")
    }

    @Test("the notebook runs over the recording in the wheel, and the package keeps strict types")
    func notebook() throws {
        try desk.expectPassed([], with: "notebook", script: "desk_notebook.py")
    }

    @Test("the same selection of a recording and of the database gives equal frames")
    func recording() throws {
        let scene = try StoreScene("writer_desk")
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        var tape = DeskTape(seed: seed)
        let packets = try tape.packets(40)
        try scene.write(packets)
        #expect(try scene.books() == "1|\(tape.ticks)|\(tape.ticks)|0|0|0|0")
        let folder = try TemporaryFolder("recording")
        try Data(tape.recording(packets)).write(to: URL(fileURLWithPath: folder.file("day.tape")))
        var torn = packets
        torn.remove(at: 20)
        try Data(tape.recording(torn)).write(to: URL(fileURLWithPath: folder.file("torn.tape")))
        try desk.expectPassed(
            ["recording", folder.file("day.tape"), folder.file("torn.tape")],
            scene.bench.environment())
    }
}
