import Cockpit

@main
enum Program {
    static func main() { Cockpit.Main.run() }
}
