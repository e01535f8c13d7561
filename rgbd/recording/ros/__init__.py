"""Recordings of ROS, a bag of messages: images of the robot's cameras among others, with times and calibration."""
