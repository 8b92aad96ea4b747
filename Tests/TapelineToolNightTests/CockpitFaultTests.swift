import Primitives
import Testing

@testable import CockpitServerTests

/// The pages of made cockpits, as a person with few senses or without a mouse gets them.
@Suite("The pages with each fault") struct CockpitFaultTests {
    @Test(
        "a checker of accessibility finds nothing on a page, in light and in dark colours",
        .enabled(if: PictureTests.obstacle == nil, "\(PictureTests.obstacle ?? "")"))
    func accessible() throws {
        let (status, log) = try PictureTests.everyPage(["axe"])
        #expect(status == 0, "\(log)")
        let found = log.split(separator: "\n").filter { $0.hasPrefix("{") }
        // 14 pages when all is well, and six of each fault.
        #expect(found.count == 2 * (14 + 6 * PlantedFault.allCases.count))
        for line in found {
            let finding = try JSONValue.parse(String(line))
            #expect(finding["good"]?.bool == true, "\(line)")
        }
    }
}
