//! The executor's own promises: bytes where they belong, lists recorded once, launches timed and named.

use crate::standin;
use hallucinet::backend::cpu::HostArgs;
use hallucinet::backend::cuda::Cuda;
use hallucinet::backend::{self, Device, Kernel, Launch, Memory, Region, Space};
use hallucinet::ops::add::Add;
use hallucinet::ops::{Desc, Io, Op, Place};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

const COUNT: usize = 1000;

fn open() -> Cuda {
    standin::open().unwrap()
}

fn memory(device: &Cuda) -> Memory {
    Memory { store: device.alloc(256).unwrap(), arena: device.alloc(12 * COUNT + 1024).unwrap() }
}

/// The third block of the arena becomes the sum of the first two.
fn sum() -> Vec<Launch> {
    let desc = Desc::f32(Shape::vector(COUNT));
    let place = |index: usize| {
        let offset = index * (4 * COUNT).next_multiple_of(256);
        Place { desc, region: Region { space: Space::Arena, offset, bytes: 4 * COUNT } }
    };
    Add.launches(&Io { inputs: vec![place(0), place(1)], outputs: vec![place(2)], workspace: Region::ABSENT })
}

fn fill(device: &Cuda, memory: &Memory, a: f32, b: f32) {
    device.write(&memory.arena, 0, bytemuck::cast_slice(&[a; COUNT])).unwrap();
    device.write(&memory.arena, (4 * COUNT).next_multiple_of(256), bytemuck::cast_slice(&[b; COUNT])).unwrap();
}

fn result(device: &Cuda, memory: &Memory) -> Vec<f32> {
    let mut numbers = vec![0f32; COUNT];
    let offset = 2 * (4 * COUNT).next_multiple_of(256);
    device.read(&memory.arena, offset, bytemuck::cast_slice_mut(&mut numbers)).unwrap();
    numbers
}

/// More than both halves of the pinned buffer hold, so that they take turns several times; nothing is overtaken, whether work
/// is done at once or as late as a stream may leave it.
#[test]
fn what_is_written_is_read_again() {
    if !standin::inside_only("executor::what_is_written_is_read_again") {
        return;
    }
    for streams in ["eager", "late"] {
        standin::set("streams", streams);
        let device = open();
        let size = 60 << 20;
        let buffer = device.alloc(size).unwrap();
        let mut start = vec![7u8; 1 << 20];
        device.read(&buffer, size - start.len(), &mut start).unwrap();
        assert!(start.iter().all(|byte| *byte == 0), "memory begins as zeros");
        let mut random = Random::named(1, "bytes");
        let mut bytes: Vec<u8> = (0..size / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
        device.write(&buffer, 0, &bytes).unwrap();
        for _ in 0..40 {
            let (offset, length) = (random.below(size as u64 - 5000) as usize, random.below(5000) as usize);
            bytes[offset..][..length].fill(offset as u8);
            device.write(&buffer, offset, &bytes[offset..][..length]).unwrap();
        }
        let other = device.alloc(size).unwrap();
        device.copy((&buffer, 1024), (&other, 0), size - 1024).unwrap();
        device.copy((&buffer, 0), (&other, size - 1024), 1024).unwrap();
        let mut again = vec![0; size];
        device.read(&other, 0, &mut again).unwrap();
        assert!(again[..size - 1024] == bytes[1024..] && again[size - 1024..] == bytes[..1024], "{streams}");
    }
    standin::set("streams", "eager");
}

/// The second run of a list makes no launch call: one that would be refused is never made. A list over other memory is another one.
#[test]
fn a_list_is_recorded_once_and_replayed() {
    if !standin::inside_only("executor::a_list_is_recorded_once_and_replayed") {
        return;
    }
    let device = open();
    let (mine, list) = (memory(&device), sum());
    fill(&device, &mine, 1.0, 2.0);
    device.launch(&list, &mine).unwrap();
    assert!(result(&device, &mine) == [3.0; COUNT]);
    standin::set("refuse_launch", "1");
    for turn in 0..3 {
        fill(&device, &mine, turn as f32, 10.0);
        // The very same launches in another list are the same recording.
        device.launch(&sum(), &mine).unwrap();
        assert!(result(&device, &mine) == [10.0 + turn as f32; COUNT]);
    }
    let other = memory(&device);
    let refused = device.launch(&list, &other).unwrap_err();
    assert!(refused.exit_code() == 4 && refused.to_string().contains("add/add"), "{refused}");
    device.launch(&list, &other).unwrap();
    let half = Launch { params: bytemuck::bytes_of(&(COUNT as u64 / 2)).to_vec(), ..sum().remove(0) };
    fill(&device, &mine, 5.0, 5.0);
    device.launch(&[half], &mine).unwrap();
    let halved = result(&device, &mine);
    assert!(halved[..COUNT / 2] == [10.0; COUNT / 2] && halved[COUNT / 2..] == [12.0; COUNT / 2]);
}

#[test]
fn launches_are_timed_one_by_one() {
    if !standin::inside("executor::launches_are_timed_one_by_one") {
        return;
    }
    let device = open();
    let memory = memory(&device);
    let (one, both) = (sum(), [sum(), sum()].concat());
    let lists: [&[Launch]; 3] = [&one, &both, &one];
    for seconds in [device.time(&lists, &memory).unwrap(), backend::time(&device, &lists, &memory).unwrap()] {
        assert!(seconds.len() == 3 && seconds.iter().all(|s| s.is_finite() && *s >= 0.0), "{seconds:?}");
    }
}

fn nothing(_: HostArgs) {}

static UNKNOWN: Kernel = Kernel { room: "add", entry: "no_such_kernel", host: nothing };

/// What is outside a buffer, shared, foreign or unknown is refused before anything runs, in a sentence that names it.
#[test]
fn wrong_lists_are_refused_by_name() {
    if !standin::inside("executor::wrong_lists_are_refused_by_name") {
        return;
    }
    let device = open();
    let mine = memory(&device);
    let list = sum();
    let refused = |launch: Launch, word: &str| {
        let error = device.launch(&[launch], &mine).unwrap_err();
        let said = error.to_string();
        assert!(error.exit_code() == 4 && said.starts_with("cuda:0: ") && said.contains(word), "{said}");
    };
    let mut outside = list[0].clone();
    outside.reads[0].offset = 1 << 30;
    refused(outside, "outside a buffer");
    let mut shared = list[0].clone();
    shared.writes[0] = shared.reads[1];
    refused(shared, "over");
    refused(Launch { kernel: &UNKNOWN, ..list[0].clone() }, "add/no_such_kernel");
    refused(Launch { grid: [1, 70_000, 1], ..list[0].clone() }, "grid 1x70000x1");
    let cpu = hallucinet::backend::cpu::Cpu::new(Some(1)).unwrap();
    let foreign = Memory { store: cpu.alloc(8).unwrap(), arena: cpu.alloc(8).unwrap() };
    assert!(device.launch(&list, &foreign).unwrap_err().to_string().contains("another device"));
    assert!(device.write(&mine.store, 255, &[0, 0]).unwrap_err().to_string().contains("outside"));
    fill(&device, &mine, 1.0, 1.0);
    device.launch(&list, &mine).unwrap();
    assert!(result(&device, &mine) == [2.0; COUNT], "a refused list leaves the device as it was");
}

#[test]
fn the_stand_in_shows_its_name() {
    if !standin::inside_only("executor::the_stand_in_shows_its_name") {
        return;
    }
    let info = open().info();
    assert_eq!((info.name.as_str(), info.architecture.as_str(), info.threads), ("cuda:0", "sm_90", 1));
    assert!(info.detail.contains("stand-in") || info.detail.contains("emulat"), "{}", info.detail);
    let memory = info.memory.unwrap();
    assert!(memory.free <= memory.total && memory.total > 0);
}
